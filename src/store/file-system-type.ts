/** `statfs` types of Linux, as in its `magic.h`. FUSE and 9p may be local as well: not listed. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x564c, "NCP"],
]);

/** The name of the network file system that a `statfs` type stands for, if it is one. */
export function networkFileSystem(type: number): string | undefined {
  // The kernel's type is a signed word on some machines.
  return NETWORK_FILE_SYSTEMS.get(type >>> 0);
}
