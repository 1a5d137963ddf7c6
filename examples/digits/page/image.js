// Strokes, as the image that the model learnt from.
//
// MNIST's digits were scaled into a box of 20 x 20 pixels with their aspect ratio kept, and set with their centre of mass in
// the middle of 28 x 28. The line is drawn after scaling: a small digit gets no thicker one than a large digit.
// Source: LeCun, Cortes, Burges: The MNIST database of handwritten digits.

export const SIDE = 28; // pixels
const BOX = 20; // pixels
const PEN = 1.2; // half the width of the line, in pixels: a drawing is then as bright on average as MNIST's images
const SMALLEST = 0.1; // of the pad: what is smaller is a dot, and is not blown up

/**
 * The 28 x 28 grey values (0 to 255, white on black, row by row) of a drawing, or null where nothing is drawn.
 * strokes: lists of points [x, y], y down, in shares of the pad's side.
 */
export function imageOf(strokes) {
  const points = strokes.flat();
  if (!points.length) return null;
  const [left, right] = bounds(points.map(([x]) => x));
  const [top, bottom] = bounds(points.map(([, y]) => y));
  const scale = (BOX - 2 * PEN) / Math.max(right - left, bottom - top, SMALLEST);
  const middle = [(left + right) / 2, (top + bottom) / 2];
  const boxed = moved(strokes, ([x, y]) => [(x - middle[0]) * scale + SIDE / 2, (y - middle[1]) * scale + SIDE / 2]);
  const [massX, massY] = centreOfMass(drawn(boxed));
  return drawn(moved(boxed, ([x, y]) => [x + SIDE / 2 - massX, y + SIDE / 2 - massY]));
}

/** The centre of mass of an image, in pixels from its upper left corner. */
export function centreOfMass(image) {
  let [mass, x, y] = [0, 0, 0];
  image.forEach((grey, place) => {
    mass += grey;
    x += grey * ((place % SIDE) + 0.5);
    y += grey * (Math.floor(place / SIDE) + 0.5);
  });
  return [x / mass, y / mass];
}

/** A pixel is as bright as the line covers it: fully within the pen, and less over one pixel round it. */
function drawn(strokes) {
  const image = new Uint8Array(SIDE * SIDE);
  const lines = strokes.flatMap((points) => points.map((point, at) => [points[Math.max(at - 1, 0)], point]));
  for (let place = 0; place < image.length; place += 1) {
    const pixel = [(place % SIDE) + 0.5, Math.floor(place / SIDE) + 0.5];
    const nearest = lines.reduce((least, line) => Math.min(least, distance(pixel, line)), SIDE);
    image[place] = Math.round(255 * Math.min(1, Math.max(0, PEN + 0.5 - nearest)));
  }
  return image;
}

function distance([x, y], [[fromX, fromY], [toX, toY]]) {
  const [dx, dy] = [toX - fromX, toY - fromY];
  const length = dx * dx + dy * dy;
  const along = length && Math.min(1, Math.max(0, ((x - fromX) * dx + (y - fromY) * dy) / length));
  return Math.hypot(x - fromX - along * dx, y - fromY - along * dy);
}

function moved(strokes, move) {
  return strokes.map((points) => points.map(move));
}

function bounds(values) {
  return [Math.min(...values), Math.max(...values)];
}
