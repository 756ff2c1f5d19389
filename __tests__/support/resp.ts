/** Cuts what travels between a Redis client and its server into whole values (the RESP specification). */

function endOfAll(text: string, start: number, count: number): number | undefined {
  let at: number | undefined = start;
  for (let left = count; left > 0 && at !== undefined; left--) at = endOf(text, at);
  return at;
}

/** Where the value ends that begins at `start`; undefined where it has not all come. */
function endOf(text: string, start: number): number | undefined {
  const line = text.indexOf("\r\n", start);
  if (line < 0) return undefined;
  const head = line + 2;
  const count = Math.max(0, Number(text.slice(start + 1, line)));
  switch (text[start]) {
    case "$":
    case "=":
    case "!": {
      const end = text.slice(start + 1, line) === "-1" ? head : head + count + 2;
      return end <= text.length ? end : undefined;
    }
    case "*":
    case "~":
    case ">":
      return endOfAll(text, head, count);
    case "%":
      return endOfAll(text, head, 2 * count);
    default:
      return head;
  }
}

/** One direction of one connection. */
export class RespStream {
  #rest = "";

  /** The values that are whole with these bytes, each as it was written. */
  read(bytes: Buffer): string[] {
    this.#rest += bytes.toString("latin1");
    const values: string[] = [];
    let start = 0;
    for (let end = endOf(this.#rest, 0); end !== undefined; end = endOf(this.#rest, start)) {
      values.push(this.#rest.slice(start, end));
      start = end;
    }
    this.#rest = this.#rest.slice(start);
    return values;
  }
}

/** The name of a command, in capitals. */
export function commandName(command: string): string {
  return (command.split("\r\n", 3)[2] ?? "").toUpperCase();
}

/** Whether a value is an answer to no command. */
export function isPush(value: string): boolean {
  return value.startsWith(">");
}
