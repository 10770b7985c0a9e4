package webhook

import _ "recallbot/bot/golden" // for -update
