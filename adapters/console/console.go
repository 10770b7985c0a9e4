// Package console is the command line for those who run the bot and those who audit it: check,
// manifest, audit, backup, health, version. It reads the arguments, calls the command, prints what
// came of it and returns the exit code. What the commands work on, main puts together.
package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/config"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // configuration or usage
)

const usage = `recallbot removes group messages from Tencent Cloud Chat on the word of two people.

usage:
  recallbot                            serve, configured by the environment (README.md)
  recallbot demo                       play the whole flow on this machine: no accounts, nothing leaves it
  recallbot check                      try the configuration against the real services, reading only
  recallbot manifest slack [--http URL]  the app manifest for Slack
  recallbot manifest discord           the invite link and the commands for Discord
  recallbot audit export [--csv] [--from TIME] [--till TIME] [--group ID] [--person NAME] [--request R-...]
                                       the audit log, oldest first; times in RFC 3339
  recallbot audit verify [--receipt HEAD]  check its chain; HEAD is what a receipt says: number and hash
  recallbot backup FILE                a consistent copy of the SQLite file, while it serves
  recallbot health                     exit code by /healthz, for a container
  recallbot version

exit codes: 0 done, 1 failed, 2 configuration or usage
`

// Program is the program behind the commands. All fields are required.
type Program struct {
	// Serve runs the bot until its context ends.
	Serve func(context.Context) error
	// Demo plays the whole flow and prints it.
	Demo func(context.Context, io.Writer) error
	// Check wires the program for the command check. Nothing that it returns writes to a ledger.
	Check func(context.Context) (Checked, error)
	// Open opens the ledger at a URL for reading, beside a process that serves it.
	Open func(ctx context.Context, url string) (Ledger, error)
	// Manifests has what an operator needs to install the bot on a platform, by the word for the
	// platform. A manifest may depend on the address at which the bot is reached; it is empty where
	// none was given.
	Manifests map[string]func(address string) (string, error)
}

// Ledger is a ledger that was opened for reading.
type Ledger interface {
	bot.Ledger
	// Backup writes a consistent copy to a file.
	Backup(ctx context.Context, file string) error
	Close() error
}

// console runs commands of one program and prints to out.
type console struct {
	Program
	out io.Writer
}

// Run runs the command that args name and returns the exit code of the process. Results go to out,
// errors to errs.
func Run(ctx context.Context, args []string, out, errs io.Writer, p Program) int {
	err := console{p, out}.run(ctx, args)
	var bad usageError
	var problems config.Problems
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &problems):
		fmt.Fprintf(errs, "recallbot: the configuration has %d problems:\n%v\n", len(problems), problems)
		return exitUsage
	case errors.As(err, &bad):
		fmt.Fprintf(errs, "recallbot: %s\n\n%s", bad, usage)
		return exitUsage
	default:
		fmt.Fprintln(errs, "recallbot:", err)
		return exitFailed
	}
}

// usageError is a command line that cannot be read.
type usageError string

func (u usageError) Error() string { return string(u) }

func (c console) run(ctx context.Context, args []string) error {
	command, rest := "serve", args
	if len(args) > 0 {
		command, rest = args[0], args[1:]
	}
	for _, a := range args {
		if a == "--help" || a == "-h" || a == "help" {
			_, err := io.WriteString(c.out, usage)
			return err
		}
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	address := flags.String("http", "", "")
	receipt := flags.String("receipt", "", "")
	asCSV := flags.Bool("csv", false, "")
	var filter bot.AuditFilter
	flags.StringVar((*string)(&filter.Group), "group", "", "")
	flags.StringVar(&filter.Person, "person", "", "")
	flags.StringVar((*string)(&filter.Request), "request", "", "")
	moment := func(t *time.Time) func(string) error {
		return func(s string) (err error) {
			*t, err = time.Parse(time.RFC3339, s)
			return err
		}
	}
	flags.Func("from", "", moment(&filter.From))
	flags.Func("till", "", moment(&filter.Till))
	words, err := parse(flags, rest)
	if err != nil {
		return usageError(err.Error())
	}
	sub := strings.Join(append([]string{command}, words...), " ")
	if command == "manifest" && len(words) == 1 {
		if manifest, ok := c.Manifests[words[0]]; ok {
			text, err := manifest(*address)
			if err != nil {
				return usageError(err.Error())
			}
			_, err = fmt.Fprintln(c.out, text)
			return err
		}
	}
	switch {
	case sub == "serve":
		return c.Serve(ctx)
	case sub == "demo":
		return c.Demo(ctx, c.out)
	case sub == "check":
		return c.check(ctx)
	case sub == "audit export":
		return c.auditExport(ctx, filter, *asCSV)
	case sub == "audit verify":
		return c.auditVerify(ctx, *receipt)
	case command == "backup" && len(words) == 1:
		return c.backup(ctx, words[0])
	case sub == "health":
		return health(ctx)
	case sub == "version":
		_, err := fmt.Fprintln(c.out, Version())
		return err
	}
	return usageError(fmt.Sprintf("unknown command %q", sub))
}

// parse reads flags wherever they stand among the words.
func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if args = flags.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, nil
}

// Version returns the version of the module, the commit it was built from and the version of Go.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return strings.TrimSpace(v + " " + info.GoVersion)
}
