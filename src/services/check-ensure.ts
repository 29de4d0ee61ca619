import { invalidField } from "../errors.ts";
import type { EnsureRequest } from "./services.ts";
import { validateSpecs } from "./validate-spec.ts";

/**
 * All that can be refused of the request alone, without a look at its workspace.
 * @param at what its fields' paths begin with, such as "ensure."
 * @throws RuntimeError INVALID_FIELD; NOT_IMPLEMENTED for what is not built yet
 */
export function checkEnsure(
  { services, fromConfig }: Pick<EnsureRequest, "services" | "fromConfig">,
  at = "",
): void {
  const field = `${at}services`;
  if (fromConfig && services.length > 0) {
    throw invalidField(field, "give services or from_config, not both");
  }
  validateSpecs(services, field);
}
