// Package command is the language that people type: what a command may say, how it is read, how it
// is written again, and what is answered where it cannot be read.
//
// The same language has two forms. On Slack a command is text:
//
//	/recall @TGS#2J4SZEAEL 100-150 reason:"spam wave"
//	/recall @TGS#2J4SZEAEL from:alice since:2h text:"casino links"
//	/recalls find @TGS#2J4SZEAEL last:20
//	/recalls show R-7K2M9Q
//
// On Discord it is typed options with the same names, each with its own value. [Parse] reads text,
// [ParseOptions] reads options, [ParseForm] reads the form that opens where /recall stands alone.
// Each makes a [Command], which is written again with Write, in either form, and then read as
// itself.
//
// What cannot be read is a [Mistake]: which one, what is wrong, what would be right, and a whole
// command to copy, which the reader accepts. It names only messages whose numbers were typed, and
// never more than were typed; of two readings it names both. Where
// what was meant cannot be told it is a search, which changes nothing, or a sample with a group
// that does not exist.
//
// table.go has the two tables from which the rest follows: the verbs, and the options with their
// names, their samples and how each is read and written. A new option is a row there and a field.
//
// From top to bottom, each file uses only those after it: parse.go (what others call), text.go and
// typed.go (the two forms), fill.go (the options of a command together), write.go, table.go,
// value.go (the value of each option), option.go (a row, and the reader), near.go, mention.go,
// mark.go, seq.go, scan.go (parts of a text), mistake.go, command.go, scope.go, when.go, range.go,
// request.go (values), fold.go (characters).
package command
