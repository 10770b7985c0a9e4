package discordtest

import _ "recallbot/bot/golden" // for -update
