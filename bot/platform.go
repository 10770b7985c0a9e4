package bot

// Ref is the address of a message on a platform.
type Ref struct {
	Channel string `json:"channel,omitempty"`
	Message string `json:"message,omitempty"`
	Thread  string `json:"thread,omitempty"` // where its thread's messages go, once there is one
}

// Platform is the id of a chat platform. It is part of accounts, the ledger, the roster and
// metrics, and never changes.
type Platform string

// Trouble is a reason to refuse an account, or the place it acts in, before any list of names is
// read. Each has its sentence in text/en.txt under "trouble.".
type Trouble string

// The troubles of an account and of a place.
const (
	TroubleBot           Trouble = "bot"
	TroubleWorkflow      Trouble = "workflow"
	TroubleDeactivated   Trouble = "deactivated"
	TroubleGuest         Trouble = "guest"
	TroubleForeign       Trouble = "foreign"   // of another organisation or workspace
	TroublePending       Trouble = "pending"   // has not passed the server's membership screening
	TroubleTimedOut      Trouble = "timed_out" // muted by a server's moderator
	TroubleWrongGuild    Trouble = "wrong_guild"
	TroubleUserInstalled Trouble = "user_installed"
	TroubleUnknown       Trouble = "unknown" // the platform could not tell; fails closed

	TroubleDirectMessage Trouble = "direct_message"
	TroubleNotInChannel  Trouble = "not_in_channel" // the bot cannot post there
	TroubleArchived      Trouble = "archived"
	TroubleExtShared     Trouble = "ext_shared"
	TroubleLeft          Trouble = "left" // the person cannot see the channel any more
)

// Place is where a person typed or pressed something.
type Place struct {
	Platform  Platform `json:"platform"`
	Workspace string   `json:"workspace"` // id of a team, or of a server
	Channel   string   `json:"channel"`
	Thread    string   `json:"thread,omitempty"` // the thread it was typed in
	// Trouble says why the bot cannot work in this place; "" when it can.
	Trouble Trouble `json:"trouble,omitempty"`
}
