package recalltest

import _ "recallbot/bot/golden" // for -update
