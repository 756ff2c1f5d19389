/** List-valued header fields (RFC 9110, section 5.6.1). */

/** What stands between commas; within `<…>` and quotes, a comma is no end. */
const MEMBER = /(?:<[^>]*>|"(?:[^"\\]|\\.)*"|[^,])+/g;

/** The members of a list-valued field. */
export function tokensOf(value: number | string | readonly string[] | undefined): string[] {
  return [value ?? []]
    .flat()
    .flatMap((line) => String(line).match(MEMBER) ?? [])
    .map((token) => token.trim())
    .filter(Boolean);
}
