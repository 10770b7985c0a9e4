package command

import _ "recallbot/bot/golden" // for -update
