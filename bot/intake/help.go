package intake

import (
	"slices"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
)

// help answers with every command and an example of it that can be copied.
func help(on bot.Platform) Answer {
	example := func(key string, commands ...string) []bot.Line {
		l := []bot.Line{bot.Say(key)}
		for _, c := range commands {
			if name, text, _ := strings.Cut(c, " "); on.TypesOptions() {
				cmd, err := command.Parse(name, text)
				if err != nil {
					// unreachable: the conversations ask for help
					panic("bot: the help has an example that cannot be read: " + c)
				}
				c = cmd.Write(on.TypesOptions())
			}
			l = append(l, bot.Line{bot.Code(c)})
		}
		return l
	}
	lines := slices.Concat(
		example("answer.help.1", `/recall @TGS#2J4SZEAEL 100 101`, `/recall @TGS#2J4SZEAEL 100-150 reason:"doxxing"`),
		example("answer.help.2", `/recall @TGS#2J4SZEAEL from:spammer since:2h`,
			`/recall @TGS#2J4SZEAEL text:"casino" last:50`, `/recall @TGS#2J4SZEAEL since:1d same:100`),
		example("answer.help.3", `/recalls find @TGS#2J4SZEAEL from:spammer since:30m`),
		example("answer.help.sweep", `/recall in:joined from:spammer`),
		example("answer.help.groups", `/recalls groups lounge`),
		example("answer.help.4", `/recalls list`, `/recalls show R-7K3M9Q`),
		example("answer.help.5", `/recalls stop`, `/recalls stop R-7K3M9Q`),
		example("answer.help.6", `/recalls whoami`),
		example("answer.help.end"),
	)
	if own := "answer.help." + string(on); bot.Known(own) {
		lines = append(lines, bot.Say(own))
	}
	return Answer{Kind: Whisper, Lines: lines}
}

// answerMistake returns the answer to a command that cannot be parsed.
func answerMistake(m *command.Mistake, e Event) Answer {
	lines := []bot.Line{
		bot.Say("mistake."+m.Key, "quoted", bot.Quote(bot.Cut(m.Quoted, 100)), "expected", bot.Code(m.Expected),
			"count", m.Count, "max", m.Max),
		bot.Say("answer.mistake.nothing"),
	}
	switch {
	case m.Other != "":
		lines = append(lines, bot.Say("answer.mistake.either", "first", bot.Code(m.Corrected), "second",
			bot.Code(m.Other)))
	case len(m.Commands) == 0:
		lines = append(lines, bot.Say("answer.mistake.sample", "corrected", bot.Code(m.Corrected)))
	default:
		lines = append(lines, bot.Say("answer.mistake.try", "corrected", bot.Code(m.Corrected)))
	}
	return Answer{Kind: Whisper, Lines: lines, Refused: "mistake." + m.Key,
		Input: e.Act.input("mistake." + m.Key), Offer: e.offer(m.Commands...)}
}
