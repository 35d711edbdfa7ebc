import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, jest } from '@jest/globals';
import { changeTree, growTree } from '@buckets/trees';
import { until } from '../stack/src/index.js';
import { Caller } from './faults/caller.js';
import { differences, lookAt } from './faults/contents.js';
import { damageObject, damageText, planDamage, underFault } from './faults/damage-under-faults.js';
import { ProductUnderFaults } from './faults/product-under-faults.js';
import type { Backup, Operation } from './running/api.js';
import { hasRestic, restic } from './running/plain-tools.js';

/** `DAMAGE_SEED` and `DAMAGE_ROUNDS` ask for others. */
const { DAMAGE_SEED: seed = '7', DAMAGE_ROUNDS: rounds = '5' } = process.env;

jest.setTimeout(5 * 60_000 + Number(rounds) * 3 * 60_000);

/*
 * In each round a project is changed and backed up, an object of its repository is damaged or removed, and it is looked for,
 * told, and mended by the next backup, while parts of the product die, and S3 is cut off or fails.
 */
it('damage is found, told and healed whatever fails meanwhile, and no failure of the storage is taken for damage', async () => {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  await using under = await ProductUnderFaults.start();
  const { product } = under;
  const caller = new Caller(under.apis, `damage-${seed}`);
  const id = 'fluorite';
  await product.newProject(id);
  const folder = product.folder(id);
  await growTree(join(folder, 'project'), { seed: 3, smallFiles: 40, bytes: 0, hardCases: false });
  await writeFile(join(folder, 'persist', 'load'), randomBytes(2_000_000));
  const backups = () => caller.all<Backup>(`/v1/projects/${id}/backups`);
  const at = { say, afterMs: 0 };
  try {
    for (let number = 0; number < Number(rounds); number++) {
      const round = planDamage(Number(seed), number);
      const { damage, before, whileLooking, whileMending, afterMs } = round;
      say(`round ${number}: ${damageText(damage)}`);
      await changeTree(join(folder, 'project'), number + 1, 2);
      const tree = await lookAt(folder);
      const backUp = { path: `/v1/projects/${id}/backups`, body: {} };
      const look = { path: `/v1/projects/${id}/verify`, body: { readData: 1 } };
      expect(await underFault(under, caller, { ...at, ...backUp, fault: before })).toMatchObject({
        state: 'succeeded',
      });

      // What fails now is no damage.
      const sound = await underFault(under, caller, { ...at, ...look, fault: before, afterMs });
      expect(['', 'backups-damaged']).toContain(sound.code ?? '');
      const wereDamaged = (await backups()).filter(({ damaged }) => damaged).length;

      const name = await damageObject(product, id, damage);
      const found = await underFault(under, caller, { ...at, ...look, fault: whileLooking, afterMs });
      expect({ name, code: found.code }).toEqual({ name, code: 'repository-damaged' });
      const damaged = (await backups()).filter((backup) => backup.damaged);
      if (damage.kind !== 'key') expect(damaged.length).toBeGreaterThan(wereDamaged);

      const mended = await underFault(under, caller, { ...at, ...backUp, fault: whileMending, afterMs });
      expect(mended).toMatchObject({ state: 'succeeded' });
      const newest = mended.result!.backupId!;
      const looked = await underFault(under, caller, { ...at, ...look, fault: before, afterMs });
      expect(['', 'backups-damaged']).toContain(looked.code ?? '');
      const now = await backups();
      expect(now.find((backup) => backup.id === newest)).not.toHaveProperty('damaged');
      // The files of this round are where they were: only a snapshot that is lost is lost.
      const previous = now.filter((backup) => backup.id !== newest)[0]!;
      if (damage.kind !== 'snapshot') expect(previous).not.toHaveProperty('damaged');
      const fresh = async () => (await product.api.freshness(id)).freshness === 'fresh';
      await until(fresh, { what: 'a project whose newest backup is whole', withinMs: 60_000 });

      await rm(folder, { recursive: true });
      const start = await underFault(under, caller, {
        ...at,
        ...{ path: `/v1/projects/${id}/start`, body: {}, fault: whileLooking, afterMs },
      });
      expect(start).toMatchObject({ state: 'succeeded' } satisfies Partial<Operation>);
      expect(differences(tree, await lookAt(folder))).toEqual([]);
      expect(await product.stop(id)).toMatchObject({ state: 'succeeded' });
    }
    if (hasRestic) {
      // Of backups that are lost for good it would complain with reason.
      const whole = (await backups()).filter(({ damaged }) => !damaged);
      expect(whole.length).toBeGreaterThan(0);
      expect(await restic(product, id, ['snapshots', '--json'])).toContain(whole[0]!.id);
    }
  } catch (error) {
    process.stderr.write(`${said.join('\n')}\nThe same again: DAMAGE_SEED=${seed} DAMAGE_ROUNDS=${rounds}\n`);
    throw error;
  }
});
