// Draw, ask, show. What is drawn is asked for as soon as the pen is lifted; a newer drawing overtakes an older one.

import { Wrong, ask } from "./endpoint.js";
import { SIDE, imageOf } from "./image.js";
import { Pad } from "./pad.js";

const at = (id) => document.getElementById(id);
const percent = (share) => `${(share * 100).toFixed(1)} %`;
const pad = new Pad(at("pad"), { changed: askNow, told: (words) => (at("pen").textContent = words) });
const bars = Array.from({ length: 10 }, (_, digit) => barOf(digit));
let given = null; // what `trimtab page` knows: {deployment, url, key, revisions}
let asking = new AbortController();

at("bars").append(...bars);
at("clear").addEventListener("click", () => pad.clear());
at("fields").addEventListener("submit", (event) => event.preventDefault());
at("fields").addEventListener("change", askNow);
fillIn();

/** The connection, where `trimtab page` serves this page; elsewhere a person pastes it. */
async function fillIn() {
  given = await connection();
  if (given === null) {
    document.querySelector("main").prepend(at("connection")); // needed first
    at("connection").open = true;
    return;
  }
  at("deployment").textContent = `${given.deployment} reads it, through API Gateway.`;
  at("url").value = given.url;
  at("url").readOnly = true; // this page is served with the right to call that one alone
  at("key").value = given.key;
  await askNow();
}

async function connection() {
  const reply = await fetch("connection.json").catch(() => null);
  return reply?.ok ? await reply.json() : null;
}

async function askNow() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const image = imageOf(pad.strokes);
  showSent(image);
  if (!image) return showNothing("Draw a digit.");
  if (!at("url").value.trim()) return showNothing("Paste the URL of the endpoint and its key.");
  at("answer").ariaBusy = "true";
  try {
    const answer = await ask({ url: at("url").value, key: at("key").value.trim() }, image, signal);
    const revision = await revisionOf(answer.release);
    if (!signal.aborted) showAnswer(answer, revision);
  } catch (error) {
    if (signal.aborted) return;
    showNothing("No answer.", error instanceof Wrong ? error.message : String(error));
  }
}

/** The revision's number where it is known, and the release in any case. A release that is new is asked for once more. */
async function revisionOf(release) {
  if (given && release && !(release in given.revisions)) given = (await connection()) ?? given;
  const number = given?.revisions[release];
  const named = release ? `release ${release}` : "a server that does not say it";
  return number === undefined ? named : `revision ${number}, ${named}`;
}

function showAnswer({ probabilities, latencyMs }, revision) {
  const top = probabilities.indexOf(Math.max(...probabilities));
  at("answer").ariaBusy = "false";
  at("said").textContent = `It reads ${top}, with ${percent(probabilities[top])}.`;
  at("wrong").hidden = true;
  at("latency").textContent = `${latencyMs.toFixed(0)} ms in this browser`;
  at("revision").textContent = revision;
  bars.forEach((bar, digit) => setBar(bar, probabilities[digit], digit === top));
}

function showNothing(words, wrong = "") {
  at("answer").ariaBusy = "false";
  at("said").textContent = words;
  at("wrong").textContent = wrong;
  at("wrong").hidden = !wrong;
  at("latency").textContent = at("revision").textContent = "–";
  bars.forEach((bar) => setBar(bar, null, false));
}

function showSent(image) {
  const pixels = new ImageData(SIDE, SIDE);
  (image ?? new Uint8Array(SIDE * SIDE)).forEach((grey, place) => pixels.data.set([grey, grey, grey, 255], place * 4));
  at("sent").getContext("2d").putImageData(pixels, 0, 0);
}

function barOf(digit) {
  const item = document.createElement("li");
  for (const [name, text] of [["digit", digit], ["bar", ""], ["share", "–"]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    item.append(part);
  }
  return item;
}

/** share: 0 to 1, or null where there is none. */
function setBar(item, share, isTop) {
  item.classList.toggle("top", isTop);
  item.querySelector(".bar").style.setProperty("--share", share ?? 0);
  item.querySelector(".share").textContent = share === null ? "–" : percent(share);
}
