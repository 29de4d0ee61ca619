/** Names that people give to what others must not read. */
const SECRET_NAME =
  /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|SIGNING|COOKIE|(^|_)(KEY|AUTH|PAT|DSN)($|_)|API_?KEY|DATABASE_URL/i;
/** Shorter values ("1", "true") would blot out half of a text and are nobody's secret. */
const SHORTEST = 6;

export const MASK = "[secret]";

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * Blots the values of secret-looking variables out of texts that are stored or told: a URL, the last
 * words of a process, the error of a probe. Logs hold a service's bytes as they are.
 */
export function maskSecrets(text: string, env: Readonly<Record<string, string>>): string {
  if (text === "") return text;
  const secrets = Object.entries(env).flatMap(([name, value]) =>
    isSecretName(name) && value.length >= SHORTEST ? [value, encodeURIComponent(value)] : [],
  );
  // The longest first: one may be the beginning of another.
  secrets.sort((one, other) => other.length - one.length);
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}
