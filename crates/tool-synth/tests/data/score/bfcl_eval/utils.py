def _get_language_specific_hint(test_category):
    return " In Python."
