package inbound

import _ "recallbot/bot/golden" // for -update
