"""How often a policy's implicit reward agrees with the preference it is tested on."""

import numpy as np
from numpy.typing import NDArray


def implicit_accuracy(
    policy_chosen: NDArray[np.floating],
    policy_rejected: NDArray[np.floating],
    reference_chosen: NDArray[np.floating],
    reference_rejected: NDArray[np.floating],
) -> NDArray[np.float64]:
    """1.0 where the chosen response has the larger implicit reward, 0.5 on a tie, 0.0 else: [pairs].

    The implicit reward is beta * (log pi(y|x) - log pi_ref(y|x)) (Rafailov et al. 2023, equation 5
    without the partition function, which cancels in a pair); beta > 0 does not change the order.
    All arguments are log-probabilities in nats, [pairs].
    """
    margin = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    result: NDArray[np.float64] = 0.5 * (np.sign(margin).astype(np.float64) + 1.0)
    return result
