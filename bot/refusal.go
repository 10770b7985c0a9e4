package bot

// Refusal is the error by which the bot refuses what a person asked for. It changes nothing and is
// audited, but is not logged as an error.
type Refusal struct {
	// Key names the reason; its sentence stands in text/en.txt under "refuse.".
	Key string
	// Why is the sentence, ready to be shown to the person.
	Why Line
}

// Error names the reason, for logs and tests. What people read is Why.
func (r *Refusal) Error() string { return "refused: " + r.Key }

// Is makes two refusals equal when their reason is the same.
func (r *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && t.Key == r.Key
}

// NewRefusal returns the Refusal for a reason, its sentence filled from args as by Say.
func NewRefusal(key string, args ...any) *Refusal {
	return &Refusal{Key: key, Why: Say("refuse."+key, args...)}
}
