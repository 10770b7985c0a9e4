package ready_test

import _ "recallbot/bot/golden" // for -update
