/** `security()`: helmet, ready configured for an API behind or without a TLS-terminating proxy. */
import helmet, { type HelmetOptions } from "helmet";
import type { Context } from "../context.ts";
import { isSecure, type Middleware } from "../request.ts";
import { makeRoomy } from "../roomy.ts";
import { checkOptions } from "../validate.ts";

/** helmet's options, with their names and meaning. */
export type SecurityOptions = Readonly<HelmetOptions>;

/** What an API sends is data: nothing in it may load, run or be framed, should a browser render it. */
const API_POLICY: NonNullable<HelmetOptions["contentSecurityPolicy"]> = {
  useDefaults: false,
  directives: {
    "default-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
  },
};

const KNOWN = [
  "contentSecurityPolicy",
  "crossOriginEmbedderPolicy",
  "crossOriginOpenerPolicy",
  "crossOriginResourcePolicy",
  "originAgentCluster",
  "referrerPolicy",
  "strictTransportSecurity",
  "hsts",
  "xContentTypeOptions",
  "noSniff",
  "xDnsPrefetchControl",
  "dnsPrefetchControl",
  "xDownloadOptions",
  "ieNoOpen",
  "xFrameOptions",
  "frameguard",
  "xPermittedCrossDomainPolicies",
  "permittedCrossDomainPolicies",
  "xPoweredBy",
  "hidePoweredBy",
  "xXssProtection",
  "xssFilter",
];

/** Makes the `security()` of one kit. */
export function createSecurity({ config }: Context): (options?: SecurityOptions) => Middleware {
  return (options = {}) => {
    checkOptions("security()", options, KNOWN);
    const complete = {
      contentSecurityPolicy: API_POLICY,
      ...(!("frameguard" in options) && { xFrameOptions: { action: "deny" as const } }),
      ...options,
    } as HelmetOptions;
    const overHttps = helmet(complete);
    const {
      hsts: _hsts,
      strictTransportSecurity: _sts,
      ...rest
    } = complete as Record<string, unknown>;
    // RFC 6797, section 7.2: the field must not be sent over plain http.
    const overHttp = helmet({ ...rest, strictTransportSecurity: false });
    return function security(request, response, next) {
      makeRoomy(request, response);
      (isSecure(request, config.trust) ? overHttps : overHttp)(request, response, next);
    };
  };
}
