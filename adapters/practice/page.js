// Without this script every press posts a form and the page is drawn anew. With it the page stays,
// and what has changed is put in its place.
"use strict";

const named = e => e && e.name && e.closest("form") ? `[name="${CSS.escape(e.name)}"]` + (e.tagName === "BUTTON" ? `[value="${CSS.escape(e.value)}"]` : "") : "";

function merge(id, html) {
	const pane = document.getElementById(id);
	const active = pane.contains(document.activeElement) ? document.activeElement : null;
	const name = named(active), key = active && active.closest("[data-key]").dataset.key;
	const fresh = document.createElement("template");
	fresh.innerHTML = html;
	const old = new Map([...pane.children].map(e => [e.dataset.key, e]));
	const asked = pane.querySelector(".confirm, [role=dialog]");
	let at = pane.firstElementChild;
	for (const next of [...fresh.content.children]) {
		const was = old.get(next.dataset.key);
		old.delete(next.dataset.key);
		if (was && was.dataset.v === next.dataset.v) {
			if (was === at) at = at.nextElementSibling;
			else pane.insertBefore(was, at);
			continue;
		}
		if (was === at && at) at = at.nextElementSibling;
		if (was) was.remove();
		pane.insertBefore(next, at);
	}
	for (const gone of old.values()) gone.remove();
	const question = pane.querySelector(".confirm, [role=dialog]");
	if (question && !asked) {
		question.querySelector("button, input, textarea")?.focus({ preventScroll: true });
		question.scrollIntoView({ block: "nearest" });
	} else if (name && !document.contains(active)) {
		const again = pane.querySelector(`[data-key="${CSS.escape(key)}"] ${name}`) || pane.querySelector("button, input");
		(again || document.getElementById("line")).focus({ preventScroll: true });
	}
}

// What scrolls stays at its end, unless somebody has scrolled away from it.
const boxes = [...document.querySelectorAll(".scroll")];
const toEnd = () => { for (const b of boxes) if (!b.away) b.scrollTop = b.scrollHeight; };
for (const b of boxes) b.addEventListener("scroll", () => { b.away = b.scrollHeight - b.scrollTop - b.clientHeight > 60; });
addEventListener("resize", toEnd);
toEnd();

const ended = document.querySelector(".ended");
const source = new EventSource("/events");
source.onmessage = e => {
	for (const [id, html] of Object.entries(JSON.parse(e.data))) merge(id, html);
	toEnd();
};
source.onopen = () => { ended.textContent = ""; };
source.onerror = () => { ended.textContent = "The practice ground has ended. Start it again with: recallbot practice"; };

document.addEventListener("submit", async e => {
	e.preventDefault();
	const form = e.target;
	const body = new URLSearchParams(new FormData(form, e.submitter));
	if (form.classList.contains("member")) form.elements.text.value = "";
	await fetch("/do", { method: "POST", body, headers: { "X-Live": "1" } }).catch(() => source.onerror());
});

// A window closes with Escape, and a reload keeps which part of the page a phone shows.
document.addEventListener("keydown", e => {
	if (e.key === "Escape") document.querySelector("[name=close], [name=cancel]")?.click();
});
const view = sessionStorage.getItem("view");
for (const r of document.querySelectorAll("[name=view]")) {
	if (r.value === view) r.checked = true;
	r.addEventListener("change", () => sessionStorage.setItem("view", r.value));
}
