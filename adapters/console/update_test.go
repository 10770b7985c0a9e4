package console

import _ "recallbot/bot/golden" // for -update
