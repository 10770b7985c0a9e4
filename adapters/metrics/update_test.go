package metrics

import _ "recallbot/bot/golden" // for -update
