package sandbox

import _ "recallbot/bot/golden" // for -update
