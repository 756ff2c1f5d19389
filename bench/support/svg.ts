/** Small charts as SVG: panels side by side, each one line over named places, from zero up. */

/** One line. */
export interface Panel {
  readonly title: string;
  /** What the places are. */
  readonly places: string;
  readonly points: readonly { readonly place: string; readonly value: number }[];
}

const COLUMNS = 2;
const WIDTH = 360;
const HEIGHT = 230;
/** Room around a panel's plot, for its texts. */
const EDGE = { top: 44, right: 28, bottom: 48, left: 56 };

/** Text and lines in two sets of colours: a viewer's page may be light or dark, and is not asked which. */
const STYLE = `
  .page { fill: #ffffff; }
  text { font: 12px system-ui, sans-serif; fill: #57606a; }
  .title { font-weight: 600; font-size: 13px; fill: #1f2328; }
  .value { fill: #1f2328; text-anchor: middle; }
  .place { text-anchor: middle; }
  .step { text-anchor: end; }
  .grid { stroke: #d8dee4; }
  .line { fill: none; stroke: #0969da; stroke-width: 2; stroke-linejoin: round; }
  .dot { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #9198a1; }
    .title, .value { fill: #f0f6fc; }
    .grid { stroke: #30363d; }
    .line { stroke: #4493f8; }
    .dot { fill: #4493f8; }
  }`;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** The smallest of 1, 2, 2.5 and 5 times a power of ten with which four steps reach the top. */
function stepTo(top: number): number {
  const power = 10 ** Math.floor(Math.log10(top / 4));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step * 4 >= top)!;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function print(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: value >= 1000 ? 4 : 3 });
}

function drawText(kind: string, x: number, y: number, text: string): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}">${escape(text)}</text>`;
}

/** Of many values only the ends are written out, so that they do not run into one another. */
function isWritten(index: number, count: number): boolean {
  return count <= 5 || index === 0 || index === count - 1;
}

/** Of many places, so many that they stand apart. */
function isNamed(index: number, count: number): boolean {
  return index % Math.ceil(count / 10) === 0;
}

function drawPanel({ title, places, points }: Panel, index: number): string {
  const [left, top] = [(index % COLUMNS) * WIDTH, Math.floor(index / COLUMNS) * HEIGHT];
  const plot = { width: WIDTH - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
  // A fifth more than the largest, for what is written above it.
  const step = stepTo(Math.max(...points.map(({ value }) => value), Number.MIN_VALUE) * 1.2);
  const x = (at: number): number =>
    left + EDGE.left + ((at + 0.5) / Math.max(1, points.length)) * plot.width;
  const y = (value: number): number => top + EDGE.top + plot.height * (1 - value / (step * 4));
  const floor = y(0);
  const parts = [drawText("title", left + 16, top + 24, title)];
  for (let steps = 0; steps <= 4; steps += 1) {
    const height = round(y(step * steps));
    const from = left + EDGE.left;
    parts.push(
      `<line class="grid" x1="${from}" x2="${from + plot.width}" y1="${height}" y2="${height}"/>`,
      drawText("step", from - 8, y(step * steps) + 4, print(step * steps)),
    );
  }
  const line = points.map(({ value }, at) => `${round(x(at))},${round(y(value))}`).join(" ");
  parts.push(`<polyline class="line" points="${line}"/>`);
  for (const [at, { place, value }] of points.entries()) {
    parts.push(`<circle class="dot" cx="${round(x(at))}" cy="${round(y(value))}" r="3"/>`);
    if (isWritten(at, points.length))
      parts.push(drawText("value", x(at), y(value) - 9, print(value)));
    if (isNamed(at, points.length)) parts.push(drawText("place", x(at), floor + 17, place));
  }
  parts.push(drawText("place", left + EDGE.left + plot.width / 2, floor + 36, places));
  return parts.join("\n");
}

/** Draws panels in two columns; `description` is for those who do not see them. */
export function drawPanels(panels: readonly Panel[], description: string): string {
  const width = WIDTH * Math.min(COLUMNS, panels.length);
  const height = HEIGHT * Math.ceil(panels.length / COLUMNS);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(description)}</title>
<style>${STYLE}
</style>
<rect class="page" width="${width}" height="${height}" rx="6"/>
${panels.map(drawPanel).join("\n")}
</svg>
`;
}
