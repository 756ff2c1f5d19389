/** Which session a request's cookies name. */
import type { IncomingMessage } from "node:http";
import { parse } from "cookie";
import type { Signed } from "./signature.ts";

/** What the cookies say. */
export interface NamedSession {
  /** The id, where one was signed by us. */
  readonly id: string | undefined;
  /** The id that the other library's cookie names, beside ours. */
  readonly otherId: string | undefined;
  /** The id is good, but its cookie is to be replaced. */
  readonly mustReissue: boolean;
  /** A cookie of ours was there, with a signature that none of our secrets makes. */
  readonly isForged: boolean;
}

/** Which cookies count, and whose signatures. */
export interface CookieNames {
  readonly name: string;
  readonly adoptCookie: string | undefined;
  unsign(this: void, value: string): Signed | undefined;
}

const NOBODY: NamedSession = {
  id: undefined,
  otherId: undefined,
  mustReissue: false,
  isForged: false,
};

/** Reads our cookie; where it is absent or no good, the one of the library whose sessions are taken over. */
export function namedSession(
  request: IncomingMessage,
  { name, adoptCookie, unsign }: CookieNames,
): NamedSession {
  const header = request.headers.cookie;
  if (header === undefined) return NOBODY;
  const cookies = parse(header);
  const value = unquoted(cookies[name]);
  const signed = value === undefined ? undefined : unsign(value);
  const former = adoptCookie === undefined ? undefined : unquoted(cookies[adoptCookie]);
  const adopted = former === undefined ? undefined : unsign(former);
  if (signed) return { ...named(signed, signed.secret > 0), otherId: adopted?.id };
  const isForged = value?.startsWith("s:") === true;
  return adopted ? { ...named(adopted, true), isForged } : { ...NOBODY, isForged };
}

/** RFC 6265, section 4.1.1, allows quotes around a value. */
function unquoted(value: string | undefined): string | undefined {
  return value?.startsWith('"') === true && value.endsWith('"') ? value.slice(1, -1) : value;
}

function named({ id }: Signed, mustReissue: boolean): NamedSession {
  return { ...NOBODY, id, mustReissue };
}
