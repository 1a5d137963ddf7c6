// The pad: strokes by mouse, finger, pen or keyboard, kept as points so that any size of screen shows them alike.

const STEP = 0.04; // of the pad's side, for each press of an arrow key
const LINE = 0.06; // width of the line, of the pad's side
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  /**
   * changed: called when a stroke has ended or all were cleared; told: called with words for who cannot see the pad.
   */
  constructor(canvas, { changed, told }) {
    this.strokes = []; // lists of points [x, y], y down, in shares of the side
    this.cursor = [0.5, 0.5]; // where the keyboard draws
    this.isDown = false; // the keyboard's pen
    this.canvas = canvas;
    this.changed = changed;
    this.told = told;
    this.held = new Set(); // arrow keys
    this.pointer = null; // the one that draws: a second finger does not
    this.#listen();
  }

  clear() {
    this.strokes = [];
    this.pointer = null; // another finger may still be drawing
    this.isDown = false;
    this.told("cleared");
    this.#draw();
    this.changed();
  }

  #listen() {
    const on = (type, work) => this.canvas.addEventListener(type, work);
    on("pointerdown", (event) => this.#begin(event));
    on("pointermove", (event) => this.#follow(event));
    on("pointerup", (event) => this.#end(event));
    on("pointercancel", (event) => this.#end(event));
    on("keydown", (event) => this.#press(event));
    on("keyup", (event) => this.held.delete(event.key));
    on("focus", () => this.#draw());
    on("blur", () => this.#leave());
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  #begin(event) {
    if (this.pointer !== null || event.button !== 0) return;
    this.#lift();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.#place(event)]);
    this.#draw();
  }

  #follow(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? []; // what came between two frames
    this.strokes.at(-1).push(...(events.length ? events : [event]).map((each) => this.#place(each)));
    this.#draw();
  }

  #end(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.changed();
  }

  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [inside((clientX - box.left) / box.width), inside((clientY - box.top) / box.height)];
  }

  #press(event) {
    if (this.pointer !== null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) this.#move(event.key);
    else if (event.key === " " && !event.repeat) this.#penDownOrUp();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key !== " ") return;
    event.preventDefault();
  }

  #move(key) {
    this.held.add(key);
    for (const [dx, dy] of [...this.held].map((each) => ARROWS[each])) {
      this.cursor = [inside(this.cursor[0] + dx * STEP), inside(this.cursor[1] + dy * STEP)];
    }
    if (this.isDown) this.strokes.at(-1).push(this.cursor);
    this.#draw();
  }

  #penDownOrUp() {
    if (this.isDown) {
      this.#lift();
      return;
    }
    this.isDown = true;
    this.strokes.push([this.cursor]);
    const [x, y] = this.cursor.map((share) => Math.round(share * 100));
    this.told(`pen down, ${x} % from the left, ${y} % from the top`);
    this.#draw();
  }

  #lift() {
    if (!this.isDown) return;
    this.isDown = false;
    this.told("pen lifted");
    this.#draw();
    this.changed();
  }

  #leave() {
    this.held.clear();
    this.#lift();
    this.#draw();
  }

  #draw() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const pen = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    pen.clearRect(0, 0, side, side);
    pen.strokeStyle = style.color;
    pen.lineWidth = LINE * side;
    pen.lineCap = pen.lineJoin = "round";
    for (const points of this.strokes) {
      pen.beginPath();
      // A stroke of one point is a dot: a line of no length has round ends.
      for (const [x, y] of [points[0], ...points]) pen.lineTo(x * side, y * side);
      pen.stroke();
    }
    if (this.canvas.matches(":focus-visible")) this.#drawCursor(pen, side, style.getPropertyValue("--accent"));
  }

  /** A ring where the keyboard stands, filled while its pen is down. */
  #drawCursor(pen, side, colour) {
    pen.beginPath();
    pen.arc(this.cursor[0] * side, this.cursor[1] * side, (LINE / 2) * side, 0, 2 * Math.PI);
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 2 * devicePixelRatio;
    pen.stroke();
    if (this.isDown) pen.fill();
  }
}

function inside(share) {
  return Math.min(1, Math.max(0, share));
}
