package command

// This file has what a row of the table of options is, and the reader, which holds a command while
// it is being read: what was understood of it so far, and the first mistake. A row reads its value
// into the reader.

// maxCommand is how many characters a command may have, all options together. They hold 910 runs of
// message numbers at most.
const maxCommand = 4000

// A Kind is what the value of an option is.
type Kind int

// The kinds.
const (
	ID      Kind = iota // an identifier of the Chat service
	Numbers             // numbers of messages
	Time                // a duration back from now, or a time
	Count               // how many messages
	Words               // what a person says, as typed
	Line                // the same, up to the end of the line where it has no quotes
	Request             // the id of a request
)

// An Option is a row of the table of options.
type Option struct {
	Name      string
	Size      int // characters that a platform lets people type; 0 for a Count
	Kind      Kind
	Max       int  // of a Count
	Completes bool // a platform may suggest group ids while it is typed

	of       []Verb   // the verbs that take it
	optional []Verb   // those of them that may lack it although missing says otherwise
	same     []string // other names of it
	also     []string // other names that people give it, which are mistakes
	bare     bool     // in text it is a word without a name, in the order of the table
	filter   bool     // it filters, so it excludes message numbers
	enough   bool     // a filter may consist of it alone
	sample   string   // a value to copy
	want     string   // what is expected where the value is wrong
	missing  string   // the mistake where it is not given; "" where it need not be

	// read takes the value from the first words that are its own, sets it and returns the other
	// words. There is one word, except for a bare option in text.
	read func(r *reader, o *Option, words []item) (rest []item)
	// write is the value as it is typed, without quotes; "" where it is not set.
	write func(c Command) string
}

// example is the option as one types it in text.
func (o *Option) example() string {
	if o.bare {
		return o.want
	}
	return o.Name + ":" + o.sample
}

// empty reports whether nothing that can be read is left of the value of an option: a phrase of
// characters that are not seen would occur in every message.
func (o *Option) empty(val string) bool {
	return val == "" || o.free() && AsRead(val) == ""
}

// free reports whether the value is what a person says: any character may stand in it.
func (o *Option) free() bool { return o.Kind == Words || o.Kind == Line }

// A reader reads one command. It does not stop at a mistake: it keeps the first one, repairs what
// can be repaired and reads on, so that what it holds at the end, written back, is the corrected
// command.
type reader struct {
	c     Command
	typed bool // the platform gives each option apart, with its name
	first *Mistake
	lost  bool // what was meant cannot be told from what was repaired
	left  bool // something was left out, so a filter may let more messages through than was meant

	other Ranges // the second reading of the message numbers; nil where there is one reading
	half  bool   // a topic was given that could not be read

	values []value // the options that were given by name, in the order in which they were typed
	option string  // the option that is being read, where typed: its value does not say it
}

// A value is what was given for one option: one item, or a word for each part of a list.
type value struct {
	*Option
	items []item
}

// given returns the item that was given by name for an option, the zero item where there is none.
func (r *reader) given(name string) item {
	for _, v := range r.values {
		if v.Name == name {
			return r.shown(v)
		}
	}
	return item{}
}

// shown is the item of a value, with the name of its option in what is quoted.
func (r *reader) shown(v value) item {
	f := v.items[0]
	if r.typed {
		f.raw = v.Name + ":" + f.raw
	}
	return f
}

// mistake records what is wrong, unless something before it was.
func (r *reader) mistake(key, quoted, expected string) {
	r.tooMany(key, quoted, expected, 0, 0)
}

// tooMany records a mistake that is a number above its maximum.
func (r *reader) tooMany(key, quoted, expected string, count, most int) {
	if r.first != nil {
		return
	}
	if r.option != "" && quoted != "" {
		quoted = r.option + ":" + quoted
	}
	r.first = &Mistake{Key: key, Quoted: excerpt(quoted), Expected: expected, Count: count, Max: most}
}

// lose records a mistake after which what was meant cannot be told.
func (r *reader) lose(key, quoted, expected string) {
	r.mistake(key, quoted, expected)
	r.lost = true
}

// empty records that an option has no value.
func (r *reader) empty(o *Option, quoted string) {
	r.mistake("option_empty", quoted, o.example())
	r.lost = r.lost || o.Kind != Line
	r.half = r.half || o.Name == "topic"
}

// fits reports whether a size is not above its maximum, and records the mistake where it is.
func (r *reader) fits(key, quoted, expected string, n, most int) bool {
	if n > most {
		r.tooMany(key, quoted, expected, n, most)
		r.lost = true
	}
	return n <= most
}

// short reports whether a command of that many characters is not too long.
func (r *reader) short(n int) bool { return r.fits("too_long", "", "", n, maxCommand) }
