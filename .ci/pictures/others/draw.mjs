// Draws cards by programs that other people wrote: slack-blocks-to-jsx and discord-components. For
// each NAME.json of the folder that is named, of the platform that is its second part, it writes
// NAME.other.html there.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { buildSync } from "esbuild";
import React from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { Message } from "slack-blocks-to-jsx";

const folder = process.argv[2];
const page = (head, body) => `<!doctype html><meta charset="utf-8">${head}<body>${body}`;
const escape = (s) => s.replace(/[&<>"]/g, (c) => `&#${c.codePointAt(0)};`);

const style = readFileSync(createRequire(import.meta.url).resolve("slack-blocks-to-jsx/dist/style.css"), "utf8");

function slack({ text, blocks }) {
	blocks ??= [{ type: "section", text: { type: "mrkdwn", text } }];
	const drawn = React.createElement(Message, { blocks, logo: "data:,", name: "recallbot", time: new Date(0) });
	return page(`<style>${style}</style>`, renderToStaticMarkup(drawn));
}

buildSync({
	stdin: { contents: 'import "@skyra/discord-components-core"', resolveDir: import.meta.dirname },
	bundle: true,
	minify: true,
	outfile: join(folder, "discord.js"),
});

// The components draw elements; what Discord's markup means is ours to say. Markup that is escaped
// is text.
const markup =
	/\\(?<text>[\s\S])|`(?<code>[^`]+)`|<(?<mention>@&?|#)\d+>|<t:(?<time>\d+)(?::\w)?>|\*\*(?<bold>(?:\\.|[^*\\])+)\*\*|(?<emphasis>[*_])(?<italic>(?:\\.|[^*_\\])+)\k<emphasis>/gu;

function inline(s) {
	let drawn = "", done = 0;
	for (const m of s.matchAll(markup)) {
		const { text, code, mention, time, bold, italic } = m.groups;
		drawn += escape(s.slice(done, m.index));
		done = m.index + m[0].length;
		if (text) drawn += escape(text);
		if (code) drawn += `<discord-code>${escape(code)}</discord-code>`;
		if (mention) drawn += `<discord-mention type="${{ "@": "user", "@&": "role", "#": "channel" }[mention]}"></discord-mention>`;
		if (time) drawn += `<discord-time>${new Date(time * 1000).toISOString()}</discord-time>`;
		if (bold) drawn += `<discord-bold>${inline(bold)}</discord-bold>`;
		if (italic) drawn += `<discord-italic>${inline(italic)}</discord-italic>`;
	}
	return drawn + escape(s.slice(done));
}

function lines(s = "") {
	return s.split("\n").map((line) => {
		if (line.startsWith("> ")) return `<discord-quote>${inline(line.slice(2))}</discord-quote>`;
		if (line.startsWith("-# ")) return `<discord-subscript>${inline(line.slice(3))}</discord-subscript>`;
		return `<div>${inline(line)}</div>`;
	}).join("");
}

const buttons = ["primary", "secondary", "success", "destructive"];

function discord({ content, embeds = [], components = [] }) {
	const cards = embeds.map((e) => `<discord-embed slot="embeds" color="#${(e.color ?? 0).toString(16).padStart(6, "0")}"${e.title ? ` embed-title="${escape(e.title)}"` : ""}>
		<discord-embed-description slot="description">${lines(e.description)}</discord-embed-description></discord-embed>`);
	const rows = components.map((row) => "<discord-action-row>" + row.components.map((b) =>
		`<discord-button type="${buttons[b.style - 1]}">${escape(b.label ?? b.placeholder ?? "")}</discord-button>`).join("") + "</discord-action-row>");
	return page('<script src="discord.js"></script>', `<discord-messages><discord-message author="recallbot" bot>
		${lines(content)}${cards.join("")}<discord-attachments slot="components">${rows.join("")}</discord-attachments>
		</discord-message></discord-messages>`);
}

const draw = { slack, discord };
for (const file of readdirSync(folder)) {
	const [, name, platform] = file.match(/^((?:.*)\.(\w+)\.\d+)\.json$/) ?? [];
	if (draw[platform]) writeFileSync(join(folder, name + ".other.html"), draw[platform](JSON.parse(readFileSync(join(folder, file), "utf8"))));
}
