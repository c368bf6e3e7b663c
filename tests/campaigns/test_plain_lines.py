"""Lines that are found many at a time are those that are right one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.campaigns import lines
from scoutbee.campaigns.plain_lines import PlainLines, iterate_smi
from scoutbee.campaigns.rows import MAX_SMILES, Row, iterate_rows

KNOWN = b'CCO|c1ccccc1|[NH4+]|C(C)C|C)C(|C(|[C|| |# x|CCO name|smiles|=C|C!|(C)|C\r|C\rC|\xff|\0'.split(b'|')
LINES = st.one_of(
    st.sampled_from([*KNOWN, b'C' * MAX_SMILES, b'C' * (MAX_SMILES + 1)]),
    st.text(alphabet='CNO()[]=#', max_size=6).map(str.encode),
)


def one_by_one(found):
    for some in found:
        if isinstance(some, PlainLines):
            place = 0
            for number, size in enumerate(some.sizes.tolist(), some.first):
                yield number, some.content[place : place + size].decode()
                place += size
        elif isinstance(some, Row) and some.reason is None:
            yield some.line, some.smiles
        else:
            yield some and (some.line, some.reason)


@settings(max_examples=300)
@given(given=st.lists(LINES, max_size=30), ending=st.sampled_from([b'\n', b'\r\n']), last=st.booleans())
@pytest.mark.parametrize('block', [1 << 20, 64])
def test_every_line_is_what_it_is_alone(tmp_path_factory, block, given, ending, last):
    path = tmp_path_factory.mktemp('lines') / 'space.smi'
    path.write_bytes(ending.join(given) + (ending if last and given else b''))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, '_BLOCK_BYTES', block)
        together = list(one_by_one(iterate_smi(path, 'search_space')))
        alone = list(one_by_one(iterate_rows(path, 'search_space')))
    assert together == alone
