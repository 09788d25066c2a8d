"""The exercises of lesson 1."""

from coursekit.exercises.checking import number

EXERCISES = {
    "1.1": number(
        1.3863,
        {
            -1.3863: "The sign is the wrong way round: a loss is never below zero.",
            0.6021: "That is the logarithm to base 10; the loss uses the natural one.",
            0.75: "That is how much is missing to 1; the loss is a logarithm.",
            2.0: "That is the logarithm to base 2, the loss in bits.",
        },
        tolerance=2e-3,
        otherwise="Take minus the natural logarithm of the probability.",
    ),
}
