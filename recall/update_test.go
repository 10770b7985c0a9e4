package recall

import _ "recallbot/bot/golden" // for -update
