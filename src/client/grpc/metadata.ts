import { Metadata } from "@grpc/grpc-js";

/** Headers as grpc-js takes them; values of `-bin` keys are base64 in headers and bytes in its metadata. */
export function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of headers) {
    metadata.set(key, key.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  return metadata;
}

/** The reverse, into `headers`. */
export function copyMetadata(metadata: Metadata, headers: Headers): void {
  for (const key of Object.keys(metadata.getMap())) {
    for (const value of metadata.get(key)) {
      headers.append(key, typeof value === "string" ? value : value.toString("base64"));
    }
  }
}
