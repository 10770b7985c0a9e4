package bottest

import _ "recallbot/bot/golden" // for -update
