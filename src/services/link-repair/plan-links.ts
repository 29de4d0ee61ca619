/** How `node_modules/<name>` of one package stands, for a dependency on a package of the same tree. */
export interface PackageLink {
  readonly name: string;
  /** Absolute path of the link. */
  readonly path: string;
  /** This tree's package of that name; undefined when it has none. */
  readonly wanted: string | undefined;
  /** "foreign": it lies in another checkout, reached by a link further up. "other": no link. */
  readonly kind: "link" | "missing" | "other" | "foreign";
  /** Where a link ends, or the foreign directory; without symlinks where that is there. */
  readonly leadsTo: string;
}

export interface LinkRepair {
  readonly name: string;
  readonly path: string;
  readonly was: string;
  readonly is: string;
}

export interface LinkPlan {
  readonly repairs: readonly LinkRepair[];
  /** A sentence for each link that is wrong and is left. */
  readonly warnings: readonly string[];
}

/** Only links are replaced: never a directory, and nothing outside of the tree. */
export function planLinks(links: readonly PackageLink[]): LinkPlan {
  const repairs: LinkRepair[] = [];
  const warnings: string[] = [];
  for (const { name, path, wanted, kind, leadsTo } of links) {
    if (wanted === undefined) warnings.push(`${name}: no package of this workspace`);
    else if (kind === "foreign") warnings.push(`${name}: not touched, it lies in ${leadsTo}`);
    else if (kind === "missing") warnings.push(`${name}: not installed at ${path}`);
    else if (kind === "other") warnings.push(`${name}: not touched, ${path} is no link`);
    else if (leadsTo !== wanted) repairs.push({ name, path, was: leadsTo, is: wanted });
  }
  return { repairs, warnings };
}
