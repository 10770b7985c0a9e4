package main

import _ "recallbot/bot/golden" // for -update
