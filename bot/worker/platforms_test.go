package worker_test

import "recallbot/bot/worker"

const (
	onSlack   = worker.OnSlack
	onDiscord = worker.OnDiscord
)
