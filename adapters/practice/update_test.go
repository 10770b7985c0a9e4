package practice

import _ "recallbot/bot/golden" // for -update
