package bot

// The platforms of these tests. Only their ids count.
const (
	Slack   Platform = "slack"
	Discord Platform = "discord"
)
