package ledger

import _ "recallbot/bot/golden" // for -update
