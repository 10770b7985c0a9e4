package adapters_test

import _ "recallbot/bot/golden" // for -update
