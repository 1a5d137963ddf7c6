// One question to the endpoint, straight to API Gateway, and in a person's words what is wrong when it has no answer.

const TIMEOUT_MS = 30_000; // API Gateway gives up after 29 s

/** What a person can act on. */
export class Wrong extends Error {}

/**
 * Ask for one image. Returns {probabilities, latencyMs, release}; release is "" where the endpoint does not say it.
 * url: as `trimtab status` shows it; key: "" where none is needed; signal: aborts. Throws Wrong, and AbortError.
 */
export async function ask({ url, key }, image, signal) {
  const started = performance.now();
  let reply, body;
  try {
    reply = await fetch(`${plain(url)}/invocations`, {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/octet-stream", ...(key && { "x-api-key": key }) },
      body: image,
      credentials: "omit",
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    body = await reply.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Wrong(error.name === "TimeoutError" ? `No answer in ${TIMEOUT_MS / 1000} s.` : unreadable(url));
  }
  const latencyMs = performance.now() - started;
  if (!reply.ok) throw new Wrong(refusal(reply.status, body));
  return { probabilities: probabilitiesIn(body), latencyMs, release: reply.headers.get("x-trimtab-release") ?? "" };
}

/** The URL without what people paste at its end. */
function plain(url) {
  return url.trim().replace(/\/+(invocations\/*)?$/, "");
}

/** A browser tells a page only that it may not read the answer, not why. */
function unreadable(url) {
  return (
    `What ${plain(url)} answers cannot be read here. Either nothing answers there, or the document does not list this ` +
    `page: then add ${location.origin} to spec.serving.gateway.cors.allowOrigins, and apply it.`
  );
}

function refusal(status, body) {
  const said = messageIn(body);
  if (status === 403 && said === "Missing Authentication Token") {
    return "403: there is no /invocations at this URL. This shows the right one: trimtab status NAME";
  }
  if (status === 403) return "403: this key is not accepted. This prints the right one: trimtab key NAME";
  if (status === 429) return "429: too many requests for serving.gateway.throttle. Wait a moment, and draw on.";
  return `The endpoint answered ${status}${said ? `: ${said}` : "."}`;
}

function messageIn(body) {
  try {
    const { message, error } = JSON.parse(body);
    return message ?? error?.message ?? "";
  } catch {
    return "";
  }
}

function probabilitiesIn(body) {
  let found;
  try {
    [found] = JSON.parse(body).predictions;
  } catch {
    found = null;
  }
  if (Array.isArray(found) && found.length === 10 && found.every(Number.isFinite)) return found;
  throw new Wrong("The answer holds no ten probabilities: this endpoint serves another model than digits.");
}
