package config

import _ "recallbot/bot/golden" // for -update
