package history_test

import _ "recallbot/bot/golden" // for -update
