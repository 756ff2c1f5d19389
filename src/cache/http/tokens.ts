/** List-valued header fields (RFC 9110, section 5.6.1). */

/** The tokens of a list-valued field. */
export function tokensOf(value: number | string | readonly string[] | undefined): string[] {
  return [value ?? []]
    .flat()
    .flatMap((line) => String(line).split(","))
    .map((token) => token.trim())
    .filter(Boolean);
}
