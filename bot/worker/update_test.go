package worker

import _ "recallbot/bot/golden" // for -update
