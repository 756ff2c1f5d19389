/** HTTP-date (RFC 9110, section 5.6.7): the three forms that a recipient accepts, and nothing else. */

const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME = "\\d{2}:\\d{2}:\\d{2}";
const FORMS = [
  new RegExp(`^[a-z]{3}, \\d{2} ${MONTH} \\d{4} ${TIME} GMT$`, "i"),
  new RegExp(`^[a-z]{6,9}, \\d{2}-${MONTH}-\\d{2} ${TIME} GMT$`, "i"),
  new RegExp(`^[a-z]{3} ${MONTH} [ \\d]\\d ${TIME} \\d{4}$`, "i"),
];

/** Milliseconds since the epoch; undefined for what is no HTTP-date. */
export function parseDate(value: unknown): number | undefined {
  if (typeof value !== "string") return undefined;
  const form = FORMS.findIndex((pattern) => pattern.test(value));
  if (form < 0) return undefined;
  // Only asctime's form says no zone, and means GMT.
  const time = Date.parse(form === 2 ? `${value} GMT` : value);
  return Number.isNaN(time) ? undefined : time;
}
