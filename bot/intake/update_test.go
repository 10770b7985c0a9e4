package intake

import _ "recallbot/bot/golden" // for -update
