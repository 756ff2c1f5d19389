/** What all contenders have alike. */

/** So high that nothing is refused. */
export const LIMIT = 1e9;
/** Milliseconds; longer than a run, like all that is stored. */
export const WINDOW = 3_600_000;
export const TTL_SECONDS = 3600;

export const SECRET = "one secret of 44 characters signs for each.."; // gitleaks:allow
/** The kit's in production; the peers get the same, so that all receive as many bytes. */
export const COOKIE_NAME = "__Host-sid";
export const COOKIE: { path: string; httpOnly: boolean; sameSite: "lax"; secure: boolean } = {
  path: "/",
  httpOnly: true,
  sameSite: "lax",
  secure: true,
};

/** What the REST API lets in. */
export const TOKEN = "token";
