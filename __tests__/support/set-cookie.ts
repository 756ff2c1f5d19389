/** What a line of Set-Cookie says. */

/** A cookie line's attributes, sorted; of Expires only that it is there. */
export function attributesOf(line: string | undefined): string[] {
  const [, ...attributes] = line?.split("; ") ?? [];
  return attributes.map((one) => one.replace(/^Expires=.*/, "Expires")).toSorted();
}

/** How far in the future a cookie line's Expires is, in milliseconds; NaN without one. */
export function expiryOf(line: string | undefined): number {
  return Date.parse(/Expires=([^;]+)/.exec(line ?? "")?.[1] ?? "") - Date.now();
}
