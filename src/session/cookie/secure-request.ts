/** Whether a request came over an encrypted connection, as far as the session's cookie is concerned. */
import type { Trust } from "../../config/trust-proxy.ts";
import { isSecure, type KnownRequest } from "../../request.ts";

/** Whose word counts. */
export interface ProxyTrust {
  /** express-session's option. */
  readonly proxy: boolean | undefined;
  /** The kit's `trustProxy`, for requests without Express. */
  readonly trust: Trust;
}

/** As express-session decides it; a Secure cookie is not sent otherwise. */
export function isSecureRequest(request: KnownRequest, { proxy, trust }: ProxyTrust): boolean {
  if ((request.socket as { encrypted?: boolean }).encrypted === true) return true;
  if (proxy === false) return false;
  // Express defines `req.secure`; connect and node:http do not.
  if (proxy === undefined) return request.secure ?? isSecure(request, trust);
  const header = request.headers["x-forwarded-proto"];
  return (
    String(header ?? "")
      .split(",")[0]!
      .trim()
      .toLowerCase() === "https"
  );
}
