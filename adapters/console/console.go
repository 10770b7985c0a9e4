// Package console is the command line for those who run the bot and those who audit it: check,
// manifest, audit, backup, health, version. Each command has its own help, flags and examples. What
// the commands work on, main puts together.
package console

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"recallbot/bot"
	"recallbot/config"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // configuration or usage
)

// Program is the program behind the commands. All fields are required.
type Program struct {
	// Serve runs the bot until its context ends.
	Serve func(context.Context) error
	// Demo plays the whole flow and prints it.
	Demo Play
	// Practice serves the practice ground to a browser.
	Practice Play
	// Check wires the program for the command check. Nothing that it returns writes to a ledger.
	Check func(context.Context) (Checked, error)
	// Open opens the ledger at a URL for reading, beside a process that serves it.
	Open func(ctx context.Context, url string) (Ledger, error)
	// Schema is the version of the ledger's schema that this program reads and writes.
	Schema int64
	// Manifests are what an operator needs to install the bot, in the order in which help lists
	// them.
	Manifests []Manifest
}

// Play adds the flags of a command to a set. Once they are parsed, run runs it and prints to a
// writer.
type Play func(*flag.FlagSet) (run func(context.Context, io.Writer) error)

// Manifest is a text that sets something up outside the program: an app on a platform, a
// deployment.
type Manifest struct {
	Word  string // names it on the command line
	Short string // what it is, in a line
	// Flags adds the flags that the manifest takes. Once they are parsed, print returns the text;
	// its error is about what a flag says.
	Flags func(*flag.FlagSet) (print func() (string, error))
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
	root := console{p, out}.commands()
	root.SetArgs(slices.Concat([]string{}, args)) // never nil, which cobra takes for os.Args
	root.SetOut(out)
	root.SetErr(errs)
	command, err := root.ExecuteContextC(ctx)
	var bad usageError
	var problems config.Problems
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &problems):
		fmt.Fprintf(errs, "recallbot: the configuration has %d problems:\n%v\n", len(problems), problems)
		return exitUsage
	case errors.As(err, &bad):
		fmt.Fprintf(errs, "recallbot: %s\nSee: %s --help\n", bad, command.CommandPath())
		return exitUsage
	default:
		fmt.Fprintln(errs, "recallbot:", err)
		return exitFailed
	}
}

// usageError is a command line that cannot be read.
type usageError string

func (u usageError) Error() string { return string(u) }

// commands returns the command line: the program itself, which serves, and its subcommands.
func (c console) commands() *cobra.Command {
	root := &cobra.Command{
		Use:   "recallbot",
		Short: "Remove group messages from Tencent Cloud Chat, once a second person agrees",
		Long: "recallbot removes group messages from Tencent Cloud Chat, once a second person agrees.\n" +
			"Without a command it serves, configured by the environment (README.md).\n\n" +
			"Exit codes: 0 done, 1 failed, 2 configuration or usage.",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	// Not by the field Version: its template would be linked in, and with it every method there is.
	version := root.Flags().Bool("version", false, "print version, commit and schema")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *version {
			return c.printVersion()
		}
		return c.Serve(cmd.Context())
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err.Error()) })
	cobra.EnableCommandSorting = false
	serve := c.plain("serve", "Serve, as without a command", "", func(cmd *cobra.Command) error {
		return c.Serve(cmd.Context())
	})
	serve.Hidden = true
	root.AddCommand(serve,
		c.play("demo", "Play the whole flow on this machine: no accounts, nothing leaves it",
			"recallbot demo\nrecallbot demo --both", c.Demo),
		c.play("practice", "The same in a browser: you press the buttons", "recallbot practice", c.Practice),
		c.plain("check", "Try the configuration against the real services, reading only", "recallbot check",
			func(cmd *cobra.Command) error { return c.check(cmd.Context()) }),
		c.manifest(), c.audit(), c.backup(),
		c.plain("health", "Ask the serving process by /healthz; the exit code is the answer", "recallbot health",
			func(cmd *cobra.Command) error { return health(cmd.Context()) }),
		c.plain("version", "Print version, commit and schema", "recallbot version", func(*cobra.Command) error {
			return c.printVersion()
		}))
	refuse(root)
	return root
}

// plain returns a command that takes nothing but flags.
func (c console) plain(use, short, example string, run func(*cobra.Command) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: indent(example), Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) }}
}

// play returns a command that has flags of its own and runs in this process alone.
func (c console) play(use, short, example string, p Play) *cobra.Command {
	flags := flag.NewFlagSet(use, flag.ContinueOnError)
	run := p(flags)
	cmd := c.plain(use, short, example, func(cmd *cobra.Command) error { return run(cmd.Context(), c.out) })
	cmd.Flags().AddGoFlagSet(flags)
	return cmd
}

// group returns a command that is nothing without one of its subcommands.
func (c console) group(use, short string, of ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, of := range cmd.Commands() {
			names = append(names, of.Name())
		}
		return usageError(cmd.CommandPath() + " needs one of: " + strings.Join(names, ", "))
	}}
	cmd.AddCommand(of...)
	return cmd
}

// refuse makes what is wrong with the words of a command a usageError, for each command below.
func refuse(cmd *cobra.Command) {
	check := cmd.Args
	cmd.SuggestionsMinimumDistance = 2 // letters
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case cmd.HasSubCommands() && len(args) > 0, check == nil && len(args) > 0:
			what := fmt.Sprintf("unknown command %q", strings.Join(args, " "))
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				what += ", did you mean " + strings.Join(near, " or ") + "?"
			}
			return usageError(what)
		case check != nil:
			if err := check(cmd, args); err != nil {
				return usageError(fmt.Sprintf("%s takes %s", cmd.CommandPath(), takes(cmd)))
			}
		}
		return nil
	}
	for _, below := range cmd.Commands() {
		refuse(below)
	}
}

// takes says what words a command takes beside its flags.
func takes(cmd *cobra.Command) string {
	if _, words, ok := strings.Cut(cmd.Use, " "); ok {
		return words
	}
	return "no words"
}

func indent(example string) string {
	if example == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(example, "\n", "\n  ")
}

// manifest is the command that prints manifests, a subcommand each.
func (c console) manifest() *cobra.Command {
	var each []*cobra.Command
	for _, m := range c.Manifests {
		flags := flag.NewFlagSet(m.Word, flag.ContinueOnError)
		text := m.Flags(flags)
		cmd := c.plain(m.Word, m.Short, "recallbot manifest "+m.Word, func(*cobra.Command) error {
			text, err := text()
			if err != nil {
				return usageError(err.Error())
			}
			_, err = fmt.Fprintln(c.out, strings.TrimRight(text, "\n"))
			return err
		})
		cmd.Flags().AddGoFlagSet(flags)
		each = append(each, cmd)
	}
	return c.group("manifest", "Print what sets up a platform, a deployment or its alerts", each...)
}

// version returns the version of the program, its commit and the schema of its ledger.
func (c console) version() string {
	version, commit := Build()
	return fmt.Sprintf("recallbot %s, commit %s, schema %d (%s)", version, commit, c.Schema, runtime.Version())
}

func (c console) printVersion() error {
	_, err := fmt.Fprintln(c.out, c.version())
	return err
}

// commit is the commit that the program was built from, where the build sets it (Dockerfile); else
// Build finds it in what the Go command recorded.
var commit string

// Build returns the version of the module and the commit that it was built from, each "unknown"
// where the build did not record it.
func Build() (version, from string) {
	version, from = "unknown", cmp.Or(commit, "unknown")
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, from
	}
	version = cmp.Or(info.Main.Version, version)
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && commit == "":
			from = s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && commit == "":
			dirty = "+dirty"
		}
	}
	return version, from + dirty
}
