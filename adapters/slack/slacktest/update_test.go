package slacktest

import _ "recallbot/bot/golden" // for -update
