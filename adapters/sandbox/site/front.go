package site

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/bottest"
)

// Pair are those who are at a Front where nobody else is named.
var Pair = []bottest.Person{{Name: "mina", Asks: true}, {Name: "theo", Approves: true}}

// Front is a platform as Mina and Theo use it: she asks, he approves, and both look whether it was
// taken.
type Front struct {
	bottest.People
	Home     bottest.Home
	Platform adapters.Platform

	Mina, Theo, Trust string // their user ids, and the channel's id
}

// NewFront makes a platform in memory, with Pair or with others, who must include them. Close its
// Home.
func NewFront(p bot.Platform, people ...bottest.Person) (*Front, error) {
	if len(people) == 0 {
		people = Pair
	}
	for _, known := range adapters.Platforms {
		if known.ID != p {
			continue
		}
		home, err := known.NewHome(people, "")
		if err != nil {
			return nil, err
		}
		return &Front{People: home.People(), Home: home, Platform: known, Mina: home.User("mina"),
			Theo: home.User("theo"), Trust: home.Channel()}, nil
	}
	return nil, fmt.Errorf("site: no platform %q", p)
}

// Env is what configures the bot for the platform.
func (f *Front) Env(byHTTP bool) (env []string) {
	for name, value := range f.Home.Environment(byHTTP) {
		env = append(env, name+"="+value)
	}
	return env
}

// Asks types /recall once and reports whether the platform took it.
func (f *Front) Asks(ctx context.Context, group, seqs string) bool {
	d := f.Type(f.Mina, f.Trust, "/recall "+group+" "+seqs)
	return d.Wait(ctx) == nil && d.Acked()
}

// ApprovesNewest presses Approve on the newest card that has it, and does what is then asked.
func (f *Front) ApprovesNewest(ctx context.Context) {
	for _, card := range slices.Backward(f.Cards()) {
		if card.Approvable {
			f.Approves(ctx, card)
			return
		}
	}
}

// Approves presses Approve on a card and does what is then asked, and reports whether the platform
// took all of it.
func (f *Front) Approves(ctx context.Context, card Card) bool {
	d := f.People.Press(f.Theo, card.Ref, "Approve")
	if d.Wait(ctx) != nil {
		return false
	}
	if form, ok := d.Opened(); ok {
		d = f.Send(f.Theo, form, map[string]string{"count": wholeNumber.FindString(form.Title)})
		return d.Wait(ctx) == nil && d.Acked()
	}
	return d.Acked()
}

var wholeNumber = regexp.MustCompile(`[0-9,]+`)

// Card is a card as everybody sees it.
type Card struct {
	ID         string // of its request
	Ref        bot.Ref
	Picture    string
	Approvable bool
}

// Approved reports whether the card says so.
func (c Card) Approved() bool { return strings.Contains(c.Picture, "Approved by") }

var requestID = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)

// Cards are the cards in the channel, oldest first.
func (f *Front) Cards() (all []Card) {
	for _, m := range f.Channel(f.Trust) {
		if m.Bot && !m.Reply {
			all = append(all, Card{ID: requestID.FindString(m.Picture), Ref: m.Ref, Picture: m.Picture,
				Approvable: slices.Contains(m.Buttons, "Approve")})
		}
	}
	return all
}

// Receipts are the receipts in the threads of all cards.
func (f *Front) Receipts() (all []string) {
	for _, c := range f.Cards() {
		for _, m := range f.Thread(c.Ref) {
			if strings.Contains(m.Picture, "Receipt ") {
				all = append(all, m.Picture)
			}
		}
	}
	return all
}

// Told is all that a user alone has been shown.
func (f *Front) Told(user string) string {
	var b strings.Builder
	for _, m := range f.Alone(user) {
		b.WriteString(m.Picture)
	}
	return b.String()
}

// Flat is a text without its layout.
func Flat(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "│", " ")), " ")
}
