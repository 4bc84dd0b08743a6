"use strict";
// The reading page: one image after another, answers kept in the browser, a CSV file at the end. No network.

const COLUMNS = ["study", "task", "reader", "group", "position", "image", "decision", "confidence", "seconds", "rows"];
const WHOLE = { zoom: 1, window: 255, level: 127.5 };  // shows the values as they are
const study = JSON.parse(document.getElementById("study").textContent);
const element = (id) => document.getElementById(id);
const [width, height] = study.size;

let state = null;   // of the reader at work: reader, group, answers, and the seconds spent on the image shown
let since = null;   // when the clock of the image started; null while it stands still
let pixels = null;  // of the image shown, `channels` bytes each
let zoom = WHOLE.zoom;

// ---------------------------------------------------------------- progress, kept in this browser

const place = (reader) => `medsynth-reading/${study.study}/${reader}`;

function recall(reader) {
  const fresh = { reader, group: "", answers: [], seconds: 0 };
  try {
    const kept = JSON.parse(localStorage.getItem(place(reader)));
    return kept && Array.isArray(kept.answers) ? kept : fresh;
  } catch {
    return fresh;
  }
}

function keep() {
  try {
    localStorage.setItem(place(state.reader), JSON.stringify(state));
  } catch {
    element("not-kept").hidden = false;
  }
}

// The clock runs only while the image can be seen.
function stopClock() {
  if (since === null) return;
  state.seconds += (performance.now() - since) / 1000;
  since = null;
  keep();
}

function startClock() {
  if (state && !element("read").hidden && !document.hidden) since = performance.now();
}

// ---------------------------------------------------------------- what is shown

function turnTo(id) {
  for (const part of ["start", "read", "done"]) element(part).hidden = part !== id;
  element(`${id}-title`).focus();
}

function describeReaders() {
  for (const option of element("reader").options) {
    const done = recall(option.value).answers.length;
    option.textContent = done ? `${option.value}: ${done} of ${study.orders[option.value].length} read` : option.value;
  }
}

function begin(event) {
  event.preventDefault();
  state = recall(element("reader").value);
  if (!state.answers.length) state.group = element("group") ? element("group").value : "";
  keep();
  turnTo("read");
  show();
}

function leave() {
  stopClock();
  state = null;
  describeReaders();
  turnTo("start");
}

function show() {
  const order = study.orders[state.reader], position = state.answers.length;
  if (position >= order.length) {
    stopClock();
    element("done-text").textContent = `${state.reader} has read all ${order.length} images.`;
    turnTo("done");
    return;
  }
  const bytes = atob(study.images[order[position]]);
  pixels = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  element("answer").reset();
  element("problem").textContent = "";
  element("progress").textContent = `Image ${position + 1} of ${order.length}`;
  element("done-so-far").value = position;
  element("done-so-far").max = order.length;
  element("image").setAttribute("aria-label", `Image ${position + 1} of ${order.length}`);
  resetView();
  startClock();
}

function draw() {
  const level = Number(element("level").value), span = Number(element("window").value);
  const gray = Uint8ClampedArray.from({ length: 256 }, (_, value) => ((value - level) / span + 0.5) * 255);
  const context = element("image").getContext("2d"), picture = context.createImageData(width, height);
  for (let index = 0; index < width * height; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const from = study.channels === 1 ? index : 3 * index + channel;
      picture.data[4 * index + channel] = gray[pixels[from]];
    }
    picture.data[4 * index + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

function enlarge(factor) {
  const view = element("view"), image = element("image");
  const across = (view.scrollLeft + view.clientWidth / 2) / image.clientWidth;
  const down = (view.scrollTop + view.clientHeight / 2) / image.clientHeight;
  zoom = Math.min(8, Math.max(1, zoom * factor));
  image.style.width = `${100 * zoom}%`;
  view.scrollLeft = across * image.clientWidth - view.clientWidth / 2;
  view.scrollTop = down * image.clientHeight - view.clientHeight / 2;
  element("zoom").textContent = `Zoom ${Math.round(100 * zoom)} %`;
}

function resetView() {
  element("window").value = WHOLE.window;
  element("level").value = WHOLE.level;
  enlarge(WHOLE.zoom / zoom);
  draw();
}

function change(id, by) {
  element(id).value = Number(element(id).value) + by;
  draw();
}

// ---------------------------------------------------------------- answers

function next(event) {
  if (event) event.preventDefault();
  const chosen = new FormData(element("answer")), decision = chosen.get("decision"), sure = chosen.get("sure");
  if (decision === null || sure === null) {
    const missing = decision === null ? "Choose an answer first." : "Say how sure you are first.";
    element("problem").textContent = missing;
    return;
  }
  stopClock();
  const image = study.orders[state.reader][state.answers.length];
  // One scale from certainly not (0) to certainly (100); a guess lies next to the middle.
  const confidence = 50 + (Number(decision) ? 1 : -1) * 10 * Number(sure);
  state.answers.push({ image, decision, confidence, seconds: state.seconds.toFixed(1) });
  state.seconds = 0;
  keep();
  show();
}

// FNV-1a, so that a line that was changed on its way is found; it protects against accidents only.
function checksum(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `c${hash.toString(16).padStart(8, "0")}`;
}

function table() {
  const rows = state.answers.map((answer, index) => [
    study.study, study.task, state.reader, state.group, index + 1, answer.image, answer.decision, answer.confidence,
    answer.seconds, state.answers.length,
  ].join(","));
  return [[...COLUMNS, "check"].join(","), ...rows.map((row) => `${row},${checksum(row)}`)].join("\n") + "\n";
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = `${study.study}-${state.reader}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// ---------------------------------------------------------------- keys and pointer

function choose(name, value) {
  element("answer").elements[name].value = value;
  element("problem").textContent = "";
}

const KEYS = {
  f: () => choose("decision", "0"), j: () => choose("decision", "1"), enter: () => next(),
  "+": () => enlarge(1.5), "-": () => enlarge(1 / 1.5), r: resetView,
  q: () => change("window", -16), w: () => change("window", 16),
  a: () => change("level", 8), s: () => change("level", -8),
  ...Object.fromEntries([1, 2, 3, 4, 5].map((sure) => [String(sure), () => choose("sure", String(sure))])),
};

function press(event) {
  const action = KEYS[event.key.toLowerCase()];
  const ownKeys = ["BUTTON", "SUMMARY", "SELECT"].includes(event.target.tagName) && event.key === "Enter";
  if (!action || ownKeys || event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key === "Enter") return;
  if (element("read").hidden) return;
  event.preventDefault();
  action();
}

function drag(event) {
  if (event.buttons !== 1 || event.pointerType !== "mouse") return;
  element("view").scrollLeft -= event.movementX;
  element("view").scrollTop -= event.movementY;
}

element("image").width = width;
element("image").height = height;
element("view").style.aspectRatio = `${width} / ${height}`;
element("view").style.width = `min(100%, ${(75 * width) / height}vh)`;
for (const reader of Object.keys(study.orders)) element("reader").add(new Option(reader, reader));
describeReaders();
element("choose").addEventListener("submit", begin);
element("answer").addEventListener("submit", next);
for (const id of ["window", "level"]) element(id).addEventListener("input", draw);
element("larger").addEventListener("click", () => enlarge(1.5));
element("smaller").addEventListener("click", () => enlarge(1 / 1.5));
element("reset").addEventListener("click", resetView);
element("view").addEventListener("pointermove", drag);
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", save);
for (const button of document.querySelectorAll(".leave")) button.addEventListener("click", leave);
document.addEventListener("keydown", press);
document.addEventListener("visibilitychange", () => (document.hidden ? stopClock() : startClock()));
window.addEventListener("pagehide", stopClock);
